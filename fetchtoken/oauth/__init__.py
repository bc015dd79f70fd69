"""The OAuth side: what is sent to the issuer, what its answers mean, and the process that sends."""
