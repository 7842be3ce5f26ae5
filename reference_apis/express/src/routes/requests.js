// Is a request as the contract describes it?
import express from "express";

const NAME = /^[a-zA-Z0-9_.:-]{1,200}$/;
const LONGEST_VALUE = 10_000;
const LONGEST_TTL = 86_400;

/** There is no such thing. */
export class NotFound extends Error {}

/** A path or a body is not as the contract describes it. */
export class Invalid extends Error {}

/** Reads a JSON object; anything else is refused. */
export const readBody = [
    express.json({ limit: "16mb", strict: true }),
    (request, _response, next) => {
        const body = request.body;
        if (typeof body !== "object" || body === null || Array.isArray(body)) {
            throw new Invalid("expected a JSON object, and the type application/json");
        }
        next();
    },
];

/** Lets a request on if the name in its path is one; for `router.param`. */
export function checkName(_request, _response, next, name) {
    if (!NAME.test(name)) {
        throw new Invalid("a name has 1 to 200 letters, digits, _ . : and -");
    }
    next();
}

/** What is to be kept, and for how many seconds (null: for ever). */
export function cacheValueOf({ value, ttl = null }) {
    if (typeof value !== "string") {
        throw new Invalid("value: expected a string");
    }
    // Counted in characters, of which some have two code units.
    if (value.length > LONGEST_VALUE && [...value].length > LONGEST_VALUE) {
        throw new Invalid(`value: expected at most ${LONGEST_VALUE} characters`);
    }
    if (ttl !== null && !(Number.isInteger(ttl) && ttl >= 1 && ttl <= LONGEST_TTL)) {
        throw new Invalid(`ttl: expected an integer from 1 to ${LONGEST_TTL}, or null`);
    }
    return { value, ttl };
}

/** What is to be published: any JSON value. */
export function messageOf(body) {
    if (!Object.hasOwn(body, "message")) {
        throw new Invalid("message: required");
    }
    return body.message;
}

/** Refuses what the route's other handlers left over. */
export function refuseOtherMethods(_request, response) {
    response.status(405).json({ status: "method_not_allowed", error: "the route has other methods" });
}
