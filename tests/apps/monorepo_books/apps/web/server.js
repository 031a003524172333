import http from "node:http";
import { shown } from "@books/titles";

const api = process.env.API_URL ?? "http://127.0.0.1:4000";

http
  .createServer(async (request, response) => {
    const books = await (await fetch(api)).json();
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ commit: process.env.EPH_COMMIT, page: shown("books"), books }));
  })
  .listen(process.env.PORT ?? 3000, "127.0.0.1");
