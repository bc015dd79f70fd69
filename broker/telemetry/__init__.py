"""What the daemon says about itself: log lines for lifecycle and errors, and one line for each request."""
