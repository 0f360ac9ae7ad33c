// A SCIM application that is not of our making: scimmy and scimmy-routers decide
// everything about the protocol, this file only keeps users and groups in memory.
//
//   SCIM_TOKEN  bearer token that every request must show; required
//   PORT        port on 127.0.0.1; 0 or unset means a free one
//
// It prints "READY <port>" when it listens; the base URL is
// http://127.0.0.1:<port>/scim. SIGTERM or the end of standard input stops it, so
// it never outlives a test that died, unless standard input is a terminal or
// nothing at all.
import { createHash, randomUUID, timingSafeEqual } from "node:crypto";
import { fstatSync } from "node:fs";
import express from "express";
import SCIMMY from "scimmy";
import SCIMMYRouters from "scimmy-routers";

const { SCIM_TOKEN: token, PORT: port = "0" } = process.env;
if (!token) {
    console.error("SCIM_TOKEN is not set");
    process.exit(2);
}

const plain = (value) => JSON.parse(JSON.stringify(value));
const fail = (status, scimType, detail) => { throw new SCIMMY.Types.Error(status, scimType, detail); };

// keep gives one resource type a Map, and refuses a second resource with the same
// value of the attribute unique (none if it is undefined).
function keep(type, unique, removed = () => {}) {
    const all = new Map();
    const known = (id) => all.get(id) ?? fail(404, null, `Resource ${id} not found`);
    const same = (a, b) => a[unique].toLowerCase() === b[unique].toLowerCase();
    SCIMMY.Resources.declare(type, {
        egress: ({ id, filter }) => {
            if (id) return plain(known(id));
            const list = plain([...all.values()]);
            return filter ? filter.match(list) : list;
        },
        ingress: ({ id }, data) => {
            const old = id && known(id);
            const now = new Date().toISOString();
            const next = {
                ...plain(data),
                id: id ?? randomUUID(),
                meta: { created: old?.meta.created ?? now, lastModified: now },
            };
            if (unique && [...all.values()].some((other) => other.id !== next.id && same(other, next))) {
                fail(409, "uniqueness", `${unique} is taken`);
            }
            all.set(next.id, next);
            return plain(next);
        },
        degress: ({ id }) => {
            known(id);
            all.delete(id);
            removed(id);
        },
    });
    return all;
}

const groups = keep(SCIMMY.Resources.Group);
keep(SCIMMY.Resources.User, "userName", (id) => {
    for (const group of groups.values()) {
        group.members = group.members?.filter(({ value }) => value !== id);
    }
});

const digest = (text) => createHash("sha256").update(text).digest();
const wanted = digest(`Bearer ${token}`);

const app = express();
app.disable("x-powered-by");
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler: (req) => {
        if (!timingSafeEqual(digest(req.get("Authorization") ?? ""), wanted)) {
            throw new Error("wrong or missing bearer token");
        }
        return "tests";
    },
}));

const server = app.listen(Number(port), "127.0.0.1", (err) => {
    if (err) {
        console.error(err.message);
        process.exit(1);
    }
    console.log(`READY ${server.address().port}`);
});

process.on("SIGTERM", () => process.exit(0));
const stdin = fstatSync(0);
if (stdin.isFIFO() || stdin.isSocket()) {
    process.stdin.on("end", () => process.exit(0)).resume();
}
