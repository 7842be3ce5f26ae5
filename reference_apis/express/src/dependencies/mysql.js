// How does the API use MySQL, or MariaDB?
import mysql from "mysql2/promise";

import { DEADLINE_MS } from "./dependency.js";

/** A pool of connections, each made when it is first needed. */
export class MySQL {
    name = "mysql";
    query = "select cast(current_timestamp(6) as char) as now, database() as `database`";

    constructor({ host, port, user, password, database }) {
        this.pool = mysql.createPool({
            host,
            port,
            user,
            password,
            database,
            connectionLimit: 10,
            connectTimeout: DEADLINE_MS,
        });
    }

    async check() {
        const [rows] = await this.pool.query({ sql: "select version() as version", timeout: DEADLINE_MS });
        return rows[0].version;
    }

    /** The row of `query`. */
    async askExample() {
        const [rows] = await this.pool.query({ sql: this.query, timeout: DEADLINE_MS });
        return rows[0];
    }

    async close() {
        await this.pool.end();
    }
}
