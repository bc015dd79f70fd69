"""What the person who runs the daemon needs: the home, its checks, who may use it."""
