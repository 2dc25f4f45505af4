"""The lines that people see: on a terminal with colours and a live line, in a log as plain lines."""
