import { Pool } from "pg";

const pool = new Pool({ connectionString: process.env.DATABASE_URL });

export async function orders() {
  const { rows } = await pool.query("SELECT item FROM orders ORDER BY id");
  return rows.map((row) => row.item);
}
