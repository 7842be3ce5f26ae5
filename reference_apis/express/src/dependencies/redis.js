// How does the API use Redis, one node or a cluster?
import { Cluster, Redis as OneNode } from "ioredis";

import { DEADLINE_MS } from "./dependency.js";

const AGAIN_MS = 100; // The pause before a broken connection is made anew.

/** A client with one connection a node, on which requests do not wait for each other. */
export class Redis {
    name = "redis";

    constructor({ nodes, cluster = false, password }) {
        const options = {
            password: password ?? undefined,
            connectTimeout: 1_000,
            commandTimeout: DEADLINE_MS,
            maxRetriesPerRequest: 1,
            retryStrategy: () => AGAIN_MS,
        };
        const addresses = nodes.map((node) => {
            const colon = node.lastIndexOf(":");
            return { host: node.slice(0, colon), port: Number(node.slice(colon + 1)) };
        });
        this.client = cluster
            ? new Cluster(addresses, {
                  lazyConnect: true,
                  clusterRetryStrategy: () => AGAIN_MS,
                  slotsRefreshTimeout: 1_000,
                  redisOptions: options,
              })
            : new OneNode({ ...addresses[0], ...options, lazyConnect: true });
        // Callers are told by their own requests; unheard, the event would be written to the log each time.
        this.client.on("error", () => {});
    }

    async check() {
        const server = await this.client.info("server");
        if (this.client instanceof Cluster) {
            const states = await Promise.all(this.client.nodes("all").map((node) => node.cluster("INFO")));
            if (!states.every((state) => state.includes("cluster_state:ok"))) {
                throw new Error("a node says that the cluster is not well");
            }
        }
        return /^redis_version:(\S+)/m.exec(server)[1];
    }

    /** The value at a key; null if there is none. */
    async get(key) {
        return await this.client.get(key);
    }

    /** Keep a value, for `ttl` seconds or, where that is null, for ever. */
    async set(key, value, ttl) {
        await (ttl === null ? this.client.set(key, value) : this.client.set(key, value, "EX", ttl));
    }

    /** Remove a key; whether it had been there. */
    async delete(key) {
        return (await this.client.del(key)) === 1;
    }

    async close() {
        this.client.disconnect();
    }
}
