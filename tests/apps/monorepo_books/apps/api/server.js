import http from "node:http";
import pg from "pg";
import { shown } from "@books/titles";

const pool = new pg.Pool({ connectionString: process.env.DATABASE_URL });

http
  .createServer(async (request, response) => {
    const { rows } = await pool.query("SELECT title FROM books ORDER BY id");
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify(rows.map((row) => shown(row.title))));
  })
  .listen(process.env.PORT ?? 4000, "127.0.0.1");
