// Fastify: routes below this hook have `request.knoxide`.
import Fastify from "fastify";
import { Client, KnoxideError } from "knoxide-client";

const knoxide = Client.fromEnv();
const app = Fastify({ logger: true });

app.decorateRequest("knoxide", null);
app.addHook("onRequest", async (request) => {
  request.knoxide = await knoxide.authenticate(request.raw);
});
app.setErrorHandler((error, request, reply) => {
  if (!(error instanceof KnoxideError)) throw error;
  request.log.warn(error.message);
  return reply.code(error.status).headers(error.headers).send({ detail: error.detail });
});

app.get("/notes", async (request) => ({ owner: request.knoxide.user.username }));

await app.listen({ port: Number(process.env.PORT ?? 3000) });
