/** Reads the replies of Knoxide (RFC 7662, section 2.2). Whatever is not understood is `Unavailable`, never "no". */
export type User = {
    /**
     * The number of the user, as text, since it can be larger than a JavaScript number. It stays,
     * while names change and can be given to another user later.
     */
    id: string;
    username: string;
    email: string;
    /**
     * The staff flag, which Knoxide stores for applications.
     */
    isStaff: boolean;
    /**
     * Whether the user may administer Knoxide.
     */
    isAdmin: boolean;
};
export type Session = {
    id: string;
    user: User;
    /**
     * Which endpoints the token comes from, such as `knox`.
     */
    dialect: string;
    /**
     * When the token was issued.
     */
    issued: Date;
    /**
     * When the token expires; `null`: never. It can be revoked at any moment before: ask
     * again for each request.
     */
    expires: Date | null;
};
export type Reply = {
    status: number;
    /**
     * The header `Retry-After`, if there is one.
     */
    retryAfter: unknown;
    text: string;
};
/**
 * A user, as Knoxide knew it when it was asked.
 *
 * @typedef {object} User
 * @property {string} id The number of the user, as text, since it can be larger than a JavaScript number. It stays,
 *   while names change and can be given to another user later.
 * @property {string} username
 * @property {string} email
 * @property {boolean} isStaff The staff flag, which Knoxide stores for applications.
 * @property {boolean} isAdmin Whether the user may administer Knoxide.
 */
/**
 * One login on one device, which the token belongs to.
 *
 * @typedef {object} Session
 * @property {string} id
 * @property {User} user
 * @property {string} dialect Which endpoints the token comes from, such as `knox`.
 * @property {Date} issued When the token was issued.
 * @property {Date | null} expires When the token expires; `null`: never. It can be revoked at any moment before: ask
 *   again for each request.
 */
/**
 * A reply that has arrived.
 *
 * @typedef {object} Reply
 * @property {number} status
 * @property {unknown} retryAfter The header `Retry-After`, if there is one.
 * @property {string} text
 */
/**
 * The session of a token. `null`: the token is not good.
 *
 * @param {Reply} reply
 * @returns {Session | null}
 */
export declare function readOne(reply: Reply): Session | null;
/**
 * The sessions of this many tokens, in their order.
 *
 * @param {Reply} reply
 * @param {number} asked
 * @returns {(Session | null)[]}
 */
export declare function readMany(reply: Reply, asked: number): (Session | null)[];
