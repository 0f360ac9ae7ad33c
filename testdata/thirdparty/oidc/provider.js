// An OAuth server that is not of our making: oidc-provider answers revocation
// (RFC 7009), introspection (RFC 7662) and UserInfo, and keeps the tokens. How people
// sign in is left out:
//
//   POST /tokens {"account": "ada"}  a new grant's {"access_token", "refresh_token"}
//
//   CLIENT_ID, CLIENT_SECRET  the client whose tokens they are
//
// It prints "READY <port>" when it listens. The end of standard input stops it.
import { createServer } from "node:http";
import { json } from "node:stream/consumers";
import { Provider } from "oidc-provider";

const { CLIENT_ID, CLIENT_SECRET } = process.env;
const scope = "openid offline_access";
const server = createServer();

async function grantTokens(provider, account) {
    const client = await provider.Client.find(CLIENT_ID);
    const grant = new provider.Grant({ accountId: account, clientId: CLIENT_ID });
    grant.addOIDCScope(scope);
    const about = {
        accountId: account, client, grantId: await grant.save(), gty: "authorization_code",
        scope, claims: {}, expiresWithSession: false,
    };
    return {
        access_token: await new provider.AccessToken(about).save(),
        refresh_token: await new provider.RefreshToken(about).save(),
    };
}

server.listen(0, "127.0.0.1", () => {
    const { port } = server.address();
    const provider = new Provider(`http://127.0.0.1:${port}`, {
        clients: [{
            client_id: CLIENT_ID,
            client_secret: CLIENT_SECRET,
            grant_types: ["authorization_code", "refresh_token"],
            redirect_uris: ["https://client.example/callback"],
        }],
        findAccount: (_ctx, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
        features: {
            devInteractions: { enabled: false },
            introspection: { enabled: true },
            revocation: { enabled: true },
        },
    });
    const answer = provider.callback();
    server.on("request", async (req, res) => {
        if (req.method !== "POST" || req.url !== "/tokens") return answer(req, res);
        const { account } = await json(req);
        res.setHeader("Content-Type", "application/json");
        res.end(JSON.stringify(await grantTokens(provider, account)));
    });
    console.log(`READY ${port}`);
});
process.stdin.on("end", () => process.exit(0)).resume();
