import { orders } from "../../../lib/orders";

export const dynamic = "force-dynamic";

export async function GET() {
  return Response.json({ commit: process.env.EPH_COMMIT, orders: await orders() });
}
