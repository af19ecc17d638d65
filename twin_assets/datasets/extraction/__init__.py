"""From cleaned documents to candidate answers: passages, what can be said about them, and what is fit to be one."""
