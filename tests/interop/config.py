"""Prints what Dask's configuration says, as JSON: the settings that are named, or distributed.yaml as it is."""

import json
import pathlib
import sys

import dask.config
import distributed

if len(sys.argv) > 1:
    print(json.dumps([dask.config.get(key, default=None) for key in sys.argv[1:]]))
else:
    path = pathlib.Path(distributed.__file__).with_name("distributed.yaml")
    print(json.dumps(path.read_text()))
