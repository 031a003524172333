export const shown = (title) => title[0].toUpperCase() + title.slice(1);
