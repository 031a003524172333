const http = require("node:http");
const { Pool } = require("pg");

const pool = new Pool({ connectionString: process.env.DATABASE_URL });

http
  .createServer(async (request, response) => {
    const { rows } = await pool.query("SELECT item FROM orders ORDER BY id");
    response.setHeader("Content-Type", "application/json");
    response.end(JSON.stringify({ commit: process.env.EPH_COMMIT, orders: rows.map((row) => row.item) }));
  })
  .listen(process.env.PORT, "127.0.0.1");
