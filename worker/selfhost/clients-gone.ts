/** What the supervisor tells the database: workerd has died, nobody goes on with what is open. */
export const CLIENTS_GONE = "clients-gone";
