-- Asks Knoxide whether a request may pass (docs/forward-auth.md). Needs HAProxy 2.5 or later, built with Lua.
--
-- http-request lua.knoxide user|staff|admin: if the request may pass, sets the identity headers, and
-- txn.knoxide_status to 200. Otherwise txn.knoxide_status is the status of the reply, 503 if Knoxide does not answer.

-- HAProxy keeps the connections of its HTTP client open, and does not cache answers.
local CHECK = "http://127.0.0.1:8080/forward-auth/haproxy/"
-- Add "cookie" if KNOXIDE_FORWARD_AUTH_COOKIE is set, and "origin" if requests other than GET and HEAD use the cookie.
local PASSED_ON = { "authorization" }
local IDENTITY = {
    "remote-user", "remote-email", "remote-groups", "remote-user-id", "remote-session", "remote-expires",
    "remote-token-from",
}

-- All values of a header, as a list.
local function values(headers, name)
    local found = {}
    local of_name = headers[name]
    local index = 0
    -- HAProxy counts from 0.
    while of_name and of_name[index] do
        found[#found + 1] = of_name[index]
        index = index + 1
    end
    return found
end

core.register_action("knoxide", { "http-req" }, function(txn, requirement)
    -- Nothing passes until Knoxide has allowed it.
    txn:set_var("txn.knoxide_status", 503)
    txn:set_var("txn.knoxide_challenge", "Token")

    local headers = txn.http:req_get_headers()
    local asked = { ["x-forwarded-method"] = { txn.f:method() }, ["x-forwarded-for"] = values(headers, "x-forwarded-for") }
    table.insert(asked["x-forwarded-for"], txn.f:src() or "unknown")
    for _, name in ipairs(PASSED_ON) do
        local passed = values(headers, name)
        if #passed > 0 then asked[name] = passed end
    end

    local path = requirement == "user" and "" or requirement .. "/"
    local answer = core.httpclient():get { url = CHECK .. path, headers = asked, timeout = 10000 }
    if not answer or answer.status == nil or answer.status == 0 then return end
    if answer.status == 200 then
        for _, name in ipairs(IDENTITY) do
            txn.http:req_del_header(name)
            txn.http:req_add_header(name, values(answer.headers, name)[1] or "")
        end
    elseif answer.status == 401 then
        txn:set_var("txn.knoxide_challenge", values(answer.headers, "www-authenticate")[1] or "Token")
    end
    txn:set_var("txn.knoxide_status", answer.status)
end, 1)
