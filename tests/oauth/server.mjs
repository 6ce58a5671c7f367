// Nothing → a real authorization server, `oidc-provider`, on a port of this machine: JWT access tokens for whichever
// resource is asked for, through client credentials; keys that rotate and lifetimes that change on demand.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { Provider } from "oidc-provider";

const CLIENT = { id: "agent", secret: "known-to-every-reader" };
const SCOPES = "read:prices read:alerts write:alerts";

function privateKey(alg) {
  const pair = alg === "ES256" ? ["ec", { namedCurve: "P-256" }] : ["rsa", { modulusLength: 2048 }];
  const jwk = generateKeyPairSync(...pair).privateKey.export({ format: "jwk" });
  return { ...jwk, alg, use: "sig", kid: randomUUID() };
}

// `rotate(alg)` forgets the key there was; `lasts(seconds)` is for tokens from here on, and may lie in the past.
export async function authorizationServer({ alg = "RS256" } = {}) {
  let answer;
  const state = { ttl: 300 };
  const server = createServer((request, response) => answer(request, response));
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const issuer = `http://127.0.0.1:${server.address().port}`;
  const rotate = (alg) => {
    answer = new Provider(issuer, configuration(alg, state)).callback();
  };
  rotate(alg);
  return {
    issuer,
    rotate,
    lasts: (seconds) => (state.ttl = seconds),
    close: () => new Promise((closed) => (server.close(closed), server.closeAllConnections())),
  };
}

function configuration(alg, state) {
  const sign = { accessTokenFormat: "jwt", jwt: { sign: { alg } } };
  return {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: alg,
      },
    ],
    scopes: SCOPES.split(" "),
    jwks: { keys: [privateKey(alg)] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, audience) => ({ audience, scope: SCOPES, ...sign }),
      },
    },
    formats: {
      customizers: {
        jwt: (_, token, { payload }) => {
          payload.exp = payload.iat + state.ttl;
        },
      },
    },
  };
}

// The issuer's metadata → a token, as a client with these credentials gets one.
export async function token(metadata, resource, scope) {
  const basic = Buffer.from(`${CLIENT.id}:${CLIENT.secret}`).toString("base64");
  const answer = await fetch(metadata.token_endpoint, {
    method: "POST",
    headers: { authorization: `Basic ${basic}` },
    body: new URLSearchParams({ grant_type: "client_credentials", resource, scope }),
  });
  const { access_token } = await answer.json();
  return access_token;
}
