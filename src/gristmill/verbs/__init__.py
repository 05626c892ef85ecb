"""Verbs that come in groups (`gristmill quarantine list`): one module a group, hung under the command line by cli.py."""
