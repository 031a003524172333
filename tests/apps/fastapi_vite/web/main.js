const list = document.querySelector("#todos");
const answer = await fetch(`${import.meta.env.VITE_API_URL ?? "http://localhost:8000"}/todos`);
for (const text of await answer.json()) {
  list.append(Object.assign(document.createElement("li"), { textContent: text }));
}
