CREATE TABLE visits (id INTEGER PRIMARY KEY, day DATE NOT NULL, page TEXT);
INSERT INTO visits (day, page) VALUES ('2024-01-02', '/');
SELECT day, count(*) FROM visits GROUP BY day ORDER BY day DESC;
