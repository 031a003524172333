// Connects with node-pg, and prints who it is.
const { Client } = require("pg");

async function main() {
  const client = new Client({ connectionString: process.env.DATABASE_URL });
  await client.connect();
  const { rows } = await client.query("SELECT current_user AS role, current_database() AS name");
  console.log(rows[0].role, rows[0].name);
  await client.end();
}

main();
