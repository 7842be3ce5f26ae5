// How does the API use RabbitMQ?
import amqp from "amqplib";

import { DEADLINE_MS } from "./dependency.js";

/** One connection and one channel with publisher confirms, made when first needed and made anew when closed. */
export class RabbitMQ {
    name = "rabbitmq";
    #settings;
    #connection; // A promise, so that requests which come meanwhile wait for the same one.
    #channel;
    #declared = new Set();
    #returned = new Set();
    #published = 0;

    constructor({ host, port, user, password, vhost }) {
        this.#settings = { hostname: host, port, username: user, password, vhost, heartbeat: 10 };
    }

    /** Open a channel and close it again: a round trip that needs no privilege and leaves nothing behind. */
    async check() {
        const connection = await this.#connected();
        const channel = await connection.createChannel();
        await channel.close();
        return connection.connection.serverProperties.version;
    }

    /** Lay a persistent message into a durable queue; done when the broker has confirmed it. */
    async publish(queue, body) {
        const channel = await this.#publishing();
        if (!this.#declared.has(queue)) {
            await this.#declare(channel, queue);
        }
        if (!(await this.#send(channel, queue, body))) {
            // Somebody deleted the queue since we declared it.
            await this.#declare(channel, queue);
            if (!(await this.#send(channel, queue, body))) {
                throw new Error("the broker has no such queue");
            }
        }
    }

    /** Remove a queue; how many messages were in it. */
    async delete(queue) {
        this.#declared.delete(queue);
        const channel = await this.#publishing();
        return (await channel.deleteQueue(queue)).messageCount;
    }

    async close() {
        await (await this.#connection)?.close();
    }

    /** Publish once; whether the broker put the message into a queue. */
    async #send(channel, queue, body) {
        const messageId = String(++this.#published);
        const options = { persistent: true, mandatory: true, contentType: "application/json", messageId };
        await new Promise((resolve, reject) => {
            channel.publish("", queue, body, options, (error) => (error ? reject(error) : resolve()));
        });
        // What is returned is returned before it is confirmed.
        return !this.#returned.delete(messageId);
    }

    async #declare(channel, queue) {
        await channel.assertQueue(queue, { durable: true });
        this.#declared.add(queue);
    }

    #connected() {
        this.#connection ??= this.#connect();
        return this.#connection;
    }

    async #connect() {
        const forget = () => {
            this.#connection = undefined;
            this.#channel = undefined;
        };
        try {
            const connection = await amqp.connect(this.#settings, { timeout: DEADLINE_MS });
            connection.on("error", () => {}); // Always followed by the next.
            connection.on("close", forget);
            return connection;
        } catch (error) {
            forget();
            throw error;
        }
    }

    #publishing() {
        this.#channel ??= this.#open();
        return this.#channel;
    }

    async #open() {
        const forget = () => {
            this.#channel = undefined;
        };
        try {
            const channel = await (await this.#connected()).createConfirmChannel();
            this.#declared.clear();
            this.#returned.clear();
            channel.on("error", () => {}); // Always followed by the next.
            channel.on("close", forget);
            channel.on("return", ({ properties }) => this.#returned.add(properties.messageId));
            return channel;
        } catch (error) {
            forget();
            throw error;
        }
    }
}
