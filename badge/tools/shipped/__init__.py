"""Tools that come with the server: a class for each subject, whose marked methods are the tools."""
