// A SCIM application that is not of our making: scimmy and scimmy-routers decide
// everything about the protocol, this file only keeps users and groups in memory.
//
//   SCIM_TOKEN  bearer token that every request must show; required
//   PORT        port on 127.0.0.1; 0 or unset means a free one
//   FAULTS      names of planted faults, separated by commas; see planted below
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

// What can be planted: each fault is one way in which real applications are wrong.
const planted = [
    "any-token", // whoever comes is let in
    "conflict-ignored", // the same userName twice
    "created-200", // 200 instead of 201
    "deactivation-ignored", // active: false is answered with success, and not stored
    "delete-stays", // DELETE is answered with 204, and does nothing
    "error-without-schemas", // errors that do not say what they are
    "etag-announced", // ServiceProviderConfig promises versions that there are not
    "filter-ignored", // whoever asks for one is shown all
    "internals", // errors show a stack
    "nothing-forgotten", // what is left out or removed stays
    "remove-all-members", // removing one member removes all
    "total-wrong", // totalResults is one more than there are
];
const faults = new Set((process.env.FAULTS ?? "").split(",").filter((name) => name));
for (const name of faults) {
    if (!planted.includes(name)) {
        console.error(`FAULTS: there is no ${name}`);
        process.exit(2);
    }
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
            return filter && !faults.has("filter-ignored") ? filter.match(list) : list;
        },
        ingress: ({ id }, data) => {
            const old = id && known(id);
            const now = new Date().toISOString();
            const next = {
                ...(faults.has("nothing-forgotten") ? old : {}),
                ...plain(data),
                id: id ?? randomUUID(),
                meta: { created: old?.meta.created ?? now, lastModified: now },
            };
            if (faults.has("deactivation-ignored") && old?.active && next.active === false) next.active = true;
            if (unique && !faults.has("conflict-ignored") && [...all.values()].some((other) => other.id !== next.id && same(other, next))) {
                fail(409, "uniqueness", `${unique} is taken`);
            }
            all.set(next.id, next);
            return plain(next);
        },
        degress: ({ id }) => {
            known(id);
            if (faults.has("delete-stays")) return;
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
if (faults.has("etag-announced")) SCIMMY.Config.set({ etag: true });
if (faults.has("remove-all-members")) {
    app.use("/scim/Groups/:id", express.json({ type: "application/scim+json" }), (req, res, next) => {
        for (const op of req.body?.Operations ?? []) {
            if (/^remove$/i.test(op.op) && op.path) op.path = op.path.replace(/^members\[.*/, "members");
        }
        next();
    });
}
// What is wrong with answers only. Express calls send again with the text of what it was given.
app.use("/scim", (req, res, next) => {
    const send = res.send;
    res.send = (body) => {
        if (faults.has("created-200") && res.statusCode === 201) res.status(200);
        if (typeof body !== "object" || body === null) return send.call(res, body);
        body = plain(body);
        if (res.statusCode >= 400) {
            if (faults.has("error-without-schemas")) delete body.schemas;
            if (faults.has("internals")) body.detail += "\n    at keep (/srv/app/server.js:7:1)";
        }
        if (faults.has("total-wrong") && body.Resources) body.totalResults += 1;
        return send.call(res, body);
    };
    next();
});
app.use("/scim", new SCIMMYRouters({
    type: "bearer",
    handler: (req) => {
        if (!faults.has("any-token") && !timingSafeEqual(digest(req.get("Authorization") ?? ""), wanted)) {
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
