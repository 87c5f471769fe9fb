/* alarm.c: one thread that does what is due, of sendqueue.c and ears.c. */

/* A place in a list by time; `before` NULL: it is in none. */
typedef struct Due Due;
struct Due {
    Due *before, *after;
    int64_t at;                /* ns of CLOCK_MONOTONIC */
};

/* Put it into a list (a Due of its own, which points to itself on both sides while nothing is in it)
   at that time, or elsewhere if it is in it. From the last on: what comes back regularly is last. */
void put_due(Due *list, Due *due, int64_t at);
void drop_due(Due *due);

/* When the first of a list is due; 0: never. */
int64_t first_due(const Due *list);

/* Who has something to do. */
#define SENDING 0
#define HEARING 1

/* What the thread calls when anything is due. Each sets its alarm again; hear_next() when nobody is
   left whom it would hear, and says so by a 0. */
void send_overdue(void);
int hear_next(void);

/* When the process forks: each holds its lock meanwhile; in the child it forgets what the parent is
   to do. */
void hold_sending(void);
void go_on_sending(void);
void forget_sending(void);
void hold_hearing(void);
void go_on_hearing(void);
void forget_hearing(void);

/* Start the thread, which stays as long as the process, unless it runs. 0 or an errno. */
int start_alarm(void);

/* From now on one of them is to be called at that time (ns of CLOCK_MONOTONIC), and not before as
   far as it alone is concerned; 0: never. Takes no lock but its own. */
void set_alarm(int whose, int64_t when);

int64_t monotonic_ns(void);
