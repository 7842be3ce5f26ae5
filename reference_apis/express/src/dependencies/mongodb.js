// How does the API use MongoDB?
import { MongoClient } from "mongodb";

/** A client with a pool of its own. */
export class MongoDB {
    name = "mongodb";
    query = "listCollections";

    constructor({ uri, database = "test" }) {
        this.client = new MongoClient(uri, { serverSelectionTimeoutMS: 1_500, connectTimeoutMS: 1_500 });
        this.database = database;
    }

    async check() {
        return (await this.client.db("admin").command({ buildInfo: 1 })).version;
    }

    /** The names of the collections. */
    async askExample() {
        const found = await this.client.db(this.database).listCollections({}, { nameOnly: true }).toArray();
        return { database: this.database, collections: found.map(({ name }) => name).sort() };
    }

    async close() {
        await this.client.close();
    }
}
