// How is a dependency asked without ever waiting too long?

/** How long a dependency may take, for a whole request or a whole check. */
export const DEADLINE_MS = 2_000;

/** A dependency is not configured ("absent"), or does not answer as it should ("unreachable"). */
export class Unavailable extends Error {
    constructor(reason, message, options) {
        super(message, options);
        this.reason = reason;
    }
}

/**
 * What a dependency answers within the deadline. Throws Unavailable where it does not; the message names the driver's
 * error but does not quote it: drivers like to quote the address they were given, password included.
 */
export async function ask({ name }, answer) {
    const late = new AbortController();
    let timer;
    const deadline = new Promise((_, reject) => {
        timer = setTimeout(() => {
            reject(new Unavailable("unreachable", `${name} did not answer within ${DEADLINE_MS / 1_000} s`));
            late.abort();
        }, DEADLINE_MS);
    });
    try {
        return await Promise.race([answer(late.signal), deadline]);
    } catch (error) {
        if (error instanceof Unavailable) {
            throw error;
        }
        throw new Unavailable("unreachable", `${name} did not answer (${error.code ?? error.name})`, { cause: error });
    } finally {
        clearTimeout(timer);
    }
}
