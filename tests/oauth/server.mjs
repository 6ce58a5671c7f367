// A real authorization server, `oidc-provider`, on a port of this machine: an address of its choice → tokens as JWT for
// whichever resource is asked for, through client credentials; keys that rotate and lifetimes that change on demand.

import { generateKeyPairSync, randomUUID } from "node:crypto";
import { createServer } from "node:http";

import { Provider } from "oidc-provider";

export const CLIENT = { id: "agent", secret: "not-a-secret-in-a-test" };
const SCOPES = "read:prices read:alerts write:alerts";

function privateKey(alg) {
  const pair = alg === "ES256" ? ["ec", { namedCurve: "P-256" }] : ["rsa", { modulusLength: 2048 }];
  const jwk = generateKeyPairSync(...pair).privateKey.export({ format: "jwk" });
  return { ...jwk, alg, use: "sig", kid: randomUUID() };
}

// Starts one on `path` of a fresh port: `{ issuer, rotate(alg), lasts(seconds), close() }`.
export async function authorizationServer(path = "") {
  const state = { ttl: 300, alg: "RS256", handler: undefined };
  const server = createServer((request, response) => {
    // A mounted provider sees the path below its own; the well-known places of RFC 8414 stand before it.
    const wellKnown = `/.well-known/oauth-authorization-server${path}`;
    if (path && request.url === wellKnown) {
      request.url = "/.well-known/oauth-authorization-server";
    } else if (path && request.url.startsWith(`${path}/`)) {
      request.originalUrl = request.url;
      request.url = request.url.slice(path.length);
    }
    state.handler(request, response);
  });
  await new Promise((listening) => server.listen(0, "127.0.0.1", listening));
  const issuer = `http://127.0.0.1:${server.address().port}${path}`;

  const rotate = (alg = state.alg) => {
    state.alg = alg;
    const provider = new Provider(issuer, configuration(state));
    state.handler = provider.callback();
  };
  rotate();
  return {
    issuer,
    rotate,
    lasts: (seconds) => (state.ttl = seconds),
    close: () => new Promise((closed) => (server.closeAllConnections(), server.close(closed))),
  };
}

function configuration(state) {
  const resource = (audience) => ({
    audience,
    scope: SCOPES,
    accessTokenFormat: "jwt",
    accessTokenTTL: state.ttl,
    jwt: { sign: { alg: state.alg } },
  });
  return {
    clients: [
      {
        client_id: CLIENT.id,
        client_secret: CLIENT.secret,
        grant_types: ["client_credentials"],
        redirect_uris: [],
        response_types: [],
        id_token_signed_response_alg: state.alg,
      },
    ],
    scopes: SCOPES.split(" "),
    jwks: { keys: [privateKey(state.alg)] },
    features: {
      clientCredentials: { enabled: true },
      devInteractions: { enabled: false },
      resourceIndicators: {
        enabled: true,
        getResourceServerInfo: (_, audience) => resource(audience),
        useGrantedResource: () => true,
      },
    },
    ttl: { ClientCredentials: () => state.ttl },
  };
}
