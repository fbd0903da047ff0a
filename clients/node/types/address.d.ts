/** Where Knoxide is, and whether it is safe to send a secret there. */
/**
 * @param {string} url
 * @param {boolean} insecureHttp
 * @returns {{ origin: string, path: string, socketPath: string | undefined }} `path` ends in a slash
 * @throws {TypeError} for a URL that cannot be used
 */
export declare function readUrl(url: string, insecureHttp: boolean): {
    origin: string;
    path: string;
    socketPath: string | undefined;
};
