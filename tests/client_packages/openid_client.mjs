// Introspects a token, ends its session and introspects it again, with openid-client: nothing in it is made for Knoxide.
//
// The variables KNOXIDE_URL, KNOXIDE_CLIENT_ID and KNOXIDE_CLIENT_SECRET say whom it asks, and TOKEN what about.
import * as openid from "openid-client";

const { KNOXIDE_URL, KNOXIDE_CLIENT_ID, KNOXIDE_CLIENT_SECRET, TOKEN } = process.env;
const server = {
  issuer: KNOXIDE_URL,
  introspection_endpoint: `${KNOXIDE_URL}/introspect/`,
  revocation_endpoint: `${KNOXIDE_URL}/revoke/`,
};
const authentication = openid.ClientSecretBasic(KNOXIDE_CLIENT_SECRET);
const config = new openid.Configuration(server, KNOXIDE_CLIENT_ID, KNOXIDE_CLIENT_SECRET, authentication);
// Without TLS on this machine.
openid.allowInsecureRequests(config);

const before = await openid.tokenIntrospection(config, TOKEN);
await openid.tokenRevocation(config, TOKEN);
const after = await openid.tokenIntrospection(config, TOKEN);
console.log(JSON.stringify([before, after]));
