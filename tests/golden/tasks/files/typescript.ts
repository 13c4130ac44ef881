interface Row { id: number; name: string; tags?: readonly string[] }

export const byId = (rows: Row[]): Map<number, Row> => new Map(rows.map((row) => [row.id, row] as const));
