"""The organisation's identity provider as it logs somebody out, by lasso.

Reads one JSON object from standard input and writes one to standard output.

{"do": "ask", "idp": metadata, "key": PEM, "to": metadata of whoever is asked, "entity": its entityID,
 "binding": "redirect" | "soap" | "post", "name_id": {...}, "session_index": "..."}
    -> {"url": "...", "body": "...", "state": "..."}: a signed LogoutRequest, and what lasso must
       remember until it is answered
{"do": "judge", ... "state": "...", "answer": query string | SOAP envelope | base64}
    -> {"said": "success" | whatever lasso makes of it}: after its signature has been verified. lasso is content
       with Success alone, so a second code below it is added: "success, ...:PartialLogout"
"""

import json
import sys
from xml.sax.saxutils import quoteattr, escape

import lasso

METHODS = {
    "redirect": lasso.HTTP_METHOD_REDIRECT,
    "soap": lasso.HTTP_METHOD_SOAP,
    "post": lasso.HTTP_METHOD_POST,
}


def server(given):
    it = lasso.Server.newFromBuffers(given["idp"], given["key"], None, None)
    it.signatureMethod = lasso.SIGNATURE_METHOD_RSA_SHA256
    it.addProviderFromBuffer(lasso.PROVIDER_ROLE_SP, given["to"], None, None)
    return it


def session(given):
    """A session of lasso's own, in which somebody was signed in under that name."""
    name = given["name_id"]
    attributes = " ".join(f"{k}={quoteattr(v)}" for k, v in name.items() if k != "Value" and v)
    index = given["session_index"] and "SessionIndex=" + quoteattr(given["session_index"])
    return f"""<Session xmlns="http://www.entrouvert.org/namespaces/lasso/0.0" Version="2">
<NidAndSessionIndex ProviderID={quoteattr(given["entity"])} AssertionID="_a" {index}>
<saml:NameID xmlns:saml="urn:oasis:names:tc:SAML:2.0:assertion" {attributes}>{escape(name["Value"])}</saml:NameID>
</NidAndSessionIndex></Session>"""


def ask(given):
    logout = lasso.Logout(server(given))
    logout.setSessionFromDump(session(given))
    logout.initRequest(given["entity"], METHODS[given["binding"]])
    logout.msgRelayState = given.get("relay_state") or None
    logout.buildRequestMsg()
    return {"url": logout.msgUrl, "body": logout.msgBody or "", "state": logout.dump()}


def judge(given):
    logout = lasso.Logout.newFromDump(server(given), given["state"])
    try:
        logout.processResponseMsg(given["answer"])
    except lasso.Error as refused:
        return {"said": str(refused)}
    second = logout.response.status.statusCode.statusCode
    return {"said": "success" + (", " + second.value if second else "")}


given = json.load(sys.stdin)
json.dump({"ask": ask, "judge": judge}[given["do"]](given), sys.stdout)
