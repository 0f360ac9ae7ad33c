"""Runs scim2-tester against a SCIM server and prints each result as one line of JSON.

    SCIM_URL    where the server's resources are, such as http://127.0.0.1:8080/scim/v2
    SCIM_TOKEN  the bearer token

It judges nothing: whoever runs it reads the lines. The server is described by what it publishes itself, so
that every attribute of every schema is tried.

One thing is put right. After a PATCH the tester compares what it sent with what it reads, and takes two
things for a difference that are none: a dateTime, which it sends as text and reads as a moment, and what
only the server may set (RFC 7643, section 7, readOnly), such as the display of a group's members.
"""

import json
import os
import sys
from datetime import datetime

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_models import Mutability
from scim2_tester import check_server
from scim2_tester.checkers import patch_add, patch_replace
from scim2_tester.utils import fields_equality


def settable(value):
    """What a client may set of one value of a list."""
    model = type(value)
    return {
        name: getattr(value, name)
        for name in model.model_fields
        if model.get_field_annotation(name, Mutability) != Mutability.read_only
    }


def equal(sent, read):
    if isinstance(sent, str) and isinstance(read, datetime):
        return datetime.fromisoformat(sent) == read
    if isinstance(sent, list) and isinstance(read, list):
        return [settable(v) for v in sent] == [settable(v) for v in read]
    return fields_equality(sent, read)


patch_add.fields_equality = patch_replace.fields_equality = equal

with httpx2.Client(
    base_url=os.environ["SCIM_URL"],
    headers={"Authorization": "Bearer " + os.environ["SCIM_TOKEN"]},
    timeout=30,
    trust_env=False,
) as client:
    for result in check_server(SyncSCIMClient(client)):
        line = {
            "status": result.status.name,
            "check": result.title,
            "about": result.resource_type or "",
            "reason": result.reason or "",
        }
        if line["status"] != "SUCCESS":
            line["data"] = repr(result.data)[:2000]
        json.dump(line, sys.stdout)
        print()
