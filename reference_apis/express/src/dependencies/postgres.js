// How does the API use PostgreSQL?
import pg from "pg";

import { DEADLINE_MS } from "./dependency.js";

/** A pool of connections. A single statement is its own transaction; a named one is prepared once a connection. */
export class Postgres {
    name = "postgres";
    query = "select current_timestamp::text as now, current_database()::text as database";

    constructor({ host, port, user, password, database }) {
        this.pool = new pg.Pool({
            host,
            port,
            user,
            password,
            database,
            max: 10,
            idleTimeoutMillis: 0,
            connectionTimeoutMillis: DEADLINE_MS,
            query_timeout: DEADLINE_MS,
        });
        // An idle connection that breaks is taken out of the pool by the pool; unheard, the event would end us.
        this.pool.on("error", () => {});
    }

    async check() {
        const text = "select current_setting('server_version') as version";
        const { rows } = await this.pool.query({ name: "check", text });
        return rows[0].version;
    }

    /** The row of `query`. */
    async askExample() {
        const { rows } = await this.pool.query({ name: "example", text: this.query });
        return rows[0];
    }

    async close() {
        await this.pool.end();
    }
}
