// A verifier of tokens that is not of our making: jose judges signature, type and
// registered claims. Standard input is
//
//   {"token", "jwks", "issuer", "audience", "type"}
//
// It prints the token's claims, or says what is wrong and ends with 1.
import { json } from "node:stream/consumers";
import { createLocalJWKSet, jwtVerify } from "jose";

const { token, jwks, issuer, audience, type } = await json(process.stdin);
try {
    const { payload } = await jwtVerify(token, createLocalJWKSet(jwks), {
        issuer,
        audience,
        typ: type,
        algorithms: ["RS256", "ES256"],
        requiredClaims: ["iat", "exp", "jti"],
        maxTokenAge: "5 minutes",
    });
    console.log(JSON.stringify(payload));
} catch (err) {
    console.error(`${err.code}: ${err.message}`);
    process.exit(1);
}
