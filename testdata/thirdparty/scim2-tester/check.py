"""Runs scim2-tester against a SCIM server and prints each result as one line of JSON.

    SCIM_URL    where the server's resources are, such as http://127.0.0.1:8080/scim/v2
    SCIM_TOKEN  the bearer token

It judges nothing: whoever runs it reads the lines. The server is described by what it publishes itself, so
that every attribute of every schema is tried. The check of discovery's own schemas, which the tester has and
does not make by itself, is made too.
"""

import json
import os
import sys

import httpx2
from scim2_client.engines.httpx2 import SyncSCIMClient
from scim2_tester import check_server
from scim2_tester.checkers.schemas import core_schemas_validation
from scim2_tester.utils import CheckConfig, CheckContext

with httpx2.Client(
    base_url=os.environ["SCIM_URL"],
    headers={"Authorization": "Bearer " + os.environ["SCIM_TOKEN"]},
    timeout=30,
    trust_env=False,
) as client:
    scim = SyncSCIMClient(client)
    results = check_server(scim)
    results += core_schemas_validation(CheckContext(scim, CheckConfig()))
    for result in results:
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
