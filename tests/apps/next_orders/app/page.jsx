import { orders } from "../lib/orders";

export const dynamic = "force-dynamic";

export default async function Page() {
  return (
    <ul>
      {(await orders()).map((item) => (
        <li key={item}>{item}</li>
      ))}
    </ul>
  );
}
