DELETE FROM daily_totals;
INSERT INTO daily_totals (day, cents) SELECT day, sum(cents) FROM orders GROUP BY day ORDER BY day;
