"""Configuration: one YAML file for the process, one for each workspace, checked whole before anything starts.

`load.load` reads a directory into a `model.Config` or raises ConfigError with every mistake, each with file and line.

    load.py          the way through: files → documents → models → rules, all problems collected
    document.py      one YAML file: its data, the line of every setting, `${NAME}` (substitution.py) replaced
    settings.py      what every model is made of: the strict parent, and the types of single values
    model.py         Config, and the models of connector.yaml and of a workspace file (kafka.py, seen.py, workspace.py)
    rules.py         what holds between settings of one file; clashes.py: between workspaces; cautions.py: warnings
    unbuilt.py       settings that the contract has and this version does not act on yet
    secrets.py       values that never print, and the redactor that keeps them out of everything written
"""
