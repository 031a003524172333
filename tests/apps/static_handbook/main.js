const pages = { "/": "Welcome", "/holidays": "Thirty days a year" };

document.querySelector("main").textContent = pages[location.pathname] ?? "No such page";
