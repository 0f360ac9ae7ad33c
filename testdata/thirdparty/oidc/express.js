// A relying party that is not of our making: express-openid-connect decides
// everything about sign-in, sessions and back-channel logout; this file gives it a
// page to guard and a memory. Its sessions are sealed cookies.
//
//   ISSUER               the OpenID provider
//   CLIENT_SECRET        what it shows to it
//   NODE_EXTRA_CA_CERTS  who signed the provider's certificate
//
// It prints "READY <port>" when it listens. The end of standard input stops it.
import { randomBytes } from "node:crypto";
import { createServer } from "node:http";
import express from "express";
import { auth } from "express-openid-connect";

// Memory is a store like those of express-session.
class Memory extends Map {
    get(key, done) { done(null, super.get(key)); }
    set(key, value, done) { super.set(key, value); done(null); }
    destroy(key, done) { this.delete(key); done(null); }
}

const { ISSUER, CLIENT_SECRET } = process.env;
const server = createServer();
server.listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    const app = express();
    app.use(auth({
        issuerBaseURL: ISSUER,
        baseURL: `http://127.0.0.1:${port}`,
        clientID: "express",
        clientSecret: CLIENT_SECRET,
        secret: randomBytes(32).toString("hex"),
        authorizationParams: { response_type: "code", response_mode: "query", scope: "openid" },
        backchannelLogout: { store: new Memory() },
        enableTelemetry: false,
    }));
    app.get("/", (_req, res) => res.send("inside\n"));
    server.on("request", app);
    console.log(`READY ${port}`);
});
process.stdin.on("end", () => process.exit(0)).resume();
