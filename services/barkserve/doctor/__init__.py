"""`barkserve doctor`: finds what is wrong with this machine or deployment, and says what to do."""
