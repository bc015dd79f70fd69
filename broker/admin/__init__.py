"""What the administrative commands do: one service, called in-process or over ``admin.sock``."""
