"""What each command does, a file each; the command line imports it when it is called."""
