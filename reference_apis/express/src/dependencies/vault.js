// How does the API use Vault?

const MASKED = "********";

/** An HTTP client with kept connections. Secrets are read each time they are asked for, never kept. */
export class Vault {
    name = "vault";
    #token;

    constructor({ address, token }) {
        this.address = new URL(address).href.replace(/\/$/, "");
        this.#token = token;
    }

    async check() {
        const { version } = await this.#get("/v1/sys/health");
        if (typeof version !== "string") {
            throw new TypeError("an answer without a version: it is not Vault that answers");
        }
        return version;
    }

    /** The newest secret of a service, its passwords masked, and its version; undefined if there is none. */
    async read(service, signal) {
        const found = await this.#get(`/v1/secret/data/${service}`, signal);
        if (found === undefined) {
            return undefined;
        }
        const { data, metadata } = found.data;
        const shown = Object.entries(data).map(([name, value]) => [name, name.includes("password") ? MASKED : value]);
        return { data: Object.fromEntries(shown), version: metadata.version };
    }

    async close() {
        // Kept connections belong to fetch, and end with the process.
    }

    async #get(path, signal) {
        const headers = { "X-Vault-Token": this.#token };
        const answer = await fetch(this.address + path, { headers, signal, redirect: "manual" });
        if (answer.ok) {
            return await answer.json();
        }
        // Read to its end, so that the connection can be used again.
        await answer.arrayBuffer();
        if (answer.status === 404) {
            return undefined;
        }
        throw Object.assign(new Error("Vault refused"), { code: `HTTP ${answer.status}` });
    }
}
