// Which dependencies are there?
//
// A dependency has check(), which asks the server something real and gives its version, and close(). Its connections
// are made when first needed, pooled, and replaced when they break.
import { ConfigurationError } from "../configuration.js";
import { Unavailable } from "./dependency.js";
import { MongoDB } from "./mongodb.js";
import { MySQL } from "./mysql.js";
import { Postgres } from "./postgres.js";
import { RabbitMQ } from "./rabbitmq.js";
import { Redis } from "./redis.js";
import { Vault } from "./vault.js";

const KINDS = { vault: Vault, postgres: Postgres, mysql: MySQL, mongodb: MongoDB, redis: Redis, rabbitmq: RabbitMQ };

/** Every dependency there can be, in the order in which /health/all asks. */
export const NAMES = Object.keys(KINDS);

/** A client for every dependency that is configured, by name. Connects to nothing yet. */
export function openDependencies(configuration) {
    const opened = new Map();
    for (const name of NAMES.filter((name) => configuration[name])) {
        try {
            opened.set(name, new KINDS[name](configuration[name]));
        } catch (error) {
            // Not quoted: drivers like to quote the address they were given, password included.
            throw new ConfigurationError(`${name}: not as its driver needs it (${error.name})`);
        }
    }
    return opened;
}

/** The dependency of that name. Throws Unavailable where it is not configured. */
export function configured(dependencies, name) {
    const found = dependencies.get(name);
    if (found === undefined) {
        throw new Unavailable("absent", `${name} is not configured`);
    }
    return found;
}
