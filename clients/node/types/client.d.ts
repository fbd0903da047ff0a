/** The client, which asks Knoxide. */
export type Session = import("./answer.js").Session;
export type Options = {
    /**
     * `https://…`, `http://…` of a loopback address, or `unix:/path` of a socket.
     */
    url: string;
    clientId: string;
    /**
     * The secret of the client, or else
     */
    secret?: string;
    /**
     * the file that contains it.
     */
    secretFile?: string | URL;
    /**
     * How many milliseconds a call may take; 2,000 by default.
     */
    timeout?: number;
    /**
     * Allows `http://` to other addresses, where tokens and the secret can be read on the
     * way.
     */
    insecureHttp?: boolean;
};
/** Asks over connections that it keeps. One for each process is enough. */
export declare class Client {
    #private;
    /**
     * @param {Options} options
     * @throws {TypeError} for options that cannot be right, and the error of `readFileSync` if the file cannot be read
     */
    constructor({ url, clientId, secret, secretFile, timeout, insecureHttp }: Options);
    /**
     * A client with the settings of the environment: `KNOXIDE_URL`, `KNOXIDE_CLIENT_ID`, and
     * `KNOXIDE_CLIENT_SECRET_FILE` or `KNOXIDE_CLIENT_SECRET`.
     *
     * @throws {TypeError} for a variable that is missing, and what the constructor throws
     */
    static fromEnv(): Client;
    /**
     * The session of a token, or `null` if the token is not good.
     *
     * @param {string} token
     * @param {object} [options]
     * @param {boolean} [options.countsAsUse] whether the session counts as used, for the idle limit of Knoxide; `true` by
     *   default
     * @returns {Promise<Session | null>}
     * @throws {Unavailable} if it cannot be known whether the token is good
     */
    check(token: string, { countsAsUse }?: {
        countsAsUse?: boolean;
    }): Promise<Session | null>;
    /**
     * The same for many tokens, in their order, by one call for each 1,000. The client needs the right `batch`.
     *
     * @param {readonly string[]} tokens
     * @param {object} [options]
     * @param {boolean} [options.countsAsUse] whether the sessions count as used; `false` by default
     * @returns {Promise<(Session | null)[]>}
     * @throws {Unavailable} as `check`
     */
    checkMany(tokens: readonly string[], { countsAsUse }?: {
        countsAsUse?: boolean;
    }): Promise<(Session | null)[]>;
    /**
     * The session of the token in the `Authorization` header of a request.
     *
     * @param {{ rawHeaders: string[] }} request a request of `node:http`, or one that extends it, as those of Express do
     * @param {string} [keyword] the word before the token
     * @returns {Promise<Session>}
     * @throws {NotAuthenticated} without a good token behind this keyword
     * @throws {Unavailable} if that is not known
     */
    authenticate(request: {
        rawHeaders: string[];
    }, keyword?: string): Promise<Session>;
    /** Closes the connections once the calls under way have ended. */
    close(): Promise<void>;
}
