"""Holds answers against the description of the API. `conform.py DESCRIPTION ANSWERS`: both are JSON; of each answer it says the
operation, the status, the media type and the body. Prints what does not fit, and ends with 1 where anything does not."""

import json
import sys

import jsonschema_rs

with open(sys.argv[1]) as file:
    description = json.load(file)
with open(sys.argv[2]) as file:
    answers = json.load(file)


wrong = 0
for answer in answers:
    method, path = answer["operation"].split(" ")
    where = ["paths", path, method, "responses", str(answer["status"]), "content", answer["type"]]
    told, at = description, []
    try:
        for part in where:
            at.append(part)
            told = told[part]
    except KeyError:
        print(f"{answer['operation']}: nothing is said of {' '.join(at[3:])}: {json.dumps(answer['body'])[:300]}")
        wrong += 1
        continue
    whole = {**told.get("schema", {}), "components": description["components"]}
    for error in jsonschema_rs.validator_for(whole).iter_errors(answer["body"]):
        print(f"{answer['operation']} {answer['status']}: {error.message[:300]} at {error.instance_path}")
        wrong += 1
sys.exit(1 if wrong else 0)
